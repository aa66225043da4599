package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
)

// hot are the places where malware lies, the likeliest first. Homes and web roots come after them.
var hot = []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/opt", "/usr/local", "/etc/cron.d", "/etc/init.d", "/mnt", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/lib", "/usr/lib", "/etc",
	"/var/lib/redis", "/var/lib/postgresql", "/usr/games", "/media", "/srv", "/boot", "/home", "/lib/udev", "/usr/share", "/"}

// flatDirs are read one level deep only: large directories of the system in which a foreign file lies at the top.
var flatDirs = set("/", "/usr/share", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/lib", "/usr/lib", "/etc", "/boot")

// webRoots are document roots of the usual servers, panels and containers of applications.
var webRoots = []string{"/var/www", "/usr/share/nginx", "/www/wwwroot", "/www/server/panel/data", "/usr/share/tomcat", "/var/lib/tomcat", "/var/lib/tomcat8/webapps", "/var/lib/tomcat9/webapps",
	"/var/lib/tomcat10/webapps", "/opt/tomcat/webapps", "/usr/local/tomcat/webapps", "/usr/local/apache2/htdocs", "/srv/www", "/srv/http", "/var/lib/jenkins", "/data/www", "/data/wwwroot", "/home/wwwroot"}

// skipDirs hold thousands of files that no program of the host starts by itself.
var skipDirs = set("node_modules", ".git", "__pycache__", ".rustup", "registry", "site-packages", "dist-packages", ".m2", ".gradle", "systemd-private", "overlay2", "containerd", "credentials", "udev", "i18n", "locale", "doc", "man", "python3", "go-build")

// notFiles are trees that are no files on a disk.
var notFiles = set("/proc", "/sys", "/dev")

// places hands out the files to be read.
func (s *Sweeper) places(ctx context.Context, send func(*Found)) {
	if len(s.opt.Paths) > 0 {
		for _, r := range s.opt.Paths {
			s.offer(path.Clean(r), "", true, s.lstat(path.Clean(r)), send)
			s.walk(ctx, path.Clean(r), send)
		}
		return
	}
	if s.opt.Only != nil {
		for _, name := range s.opt.Only {
			s.offer(path.Clean(name), "", true, s.lstat(path.Clean(name)), send)
		}
		return
	}
	roots := append([]string{}, hot...)
	roots = append(roots, s.homes...)
	roots = append(roots, webRoots...)
	if s.opt.Full {
		roots = append(roots, "/dev/shm", "/")
	}
	for _, r := range roots {
		if ctx.Err() != nil {
			return
		}
		s.walk(ctx, r, send)
	}
}

// started hands out the files that run or are started, unless the places had them.
func (s *Sweeper) started(_ context.Context, send func(*Found)) {
	for _, name := range s.named() {
		if !s.whole(name) {
			s.offer(name, deminer.Regular, true, s.lstat(name), send)
		}
	}
}

// whole reports whether a file was kept and more than its first bytes were looked at.
func (s *Sweeper) whole(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.out.by[name]
	return f != nil && !f.glance
}

func (s *Sweeper) lstat(name string) func() (deminer.Attr, error) {
	return func() (deminer.Attr, error) { return s.p.FS.Lstat(name) }
}

// named are the files that run or are started, and the miner configurations beside them.
func (s *Sweeper) named() []string {
	var out []string
	for _, pr := range s.p.subjects() {
		if pr.Container != "" || pr.Deleted || pr.Memfd || pr.Exe == "" {
			continue
		}
		if !packaged(pr.Own) {
			out = append(out, pr.Exe, path.Join(path.Dir(pr.Exe), "config.json"))
		}
		if sc := pr.Script(); sc != "" {
			out = append(out, sc)
		}
		for _, a := range pr.Argv[min(1, len(pr.Argv)):] {
			if strings.HasSuffix(a, ".json") || strings.HasSuffix(a, ".conf") {
				a = a[strings.IndexByte(a, '=')+1:]
				if !path.IsAbs(a) && pr.Cwd != "" {
					a = path.Join(pr.Cwd, a)
				}
				out = append(out, a)
			}
		}
	}
	for _, f := range s.p.footholds() {
		for _, t := range s.p.foreignTargets(f) {
			out = append(out, t, path.Join(path.Dir(t), "config.json"))
		}
	}
	return out
}

// walk goes through one tree.
func (s *Sweeper) walk(ctx context.Context, root string, send func(*Found)) {
	real, err := host.Resolve(s.p.FS, root)
	if err != nil || s.seen["walk "+real] {
		return
	}
	s.seen["walk "+real] = true
	depth := s.lim.depth
	if flatDirs[root] && !s.opt.Full {
		depth = 1
	}
	limit := min(s.lim.perRoot, s.lim.names-s.out.names)
	full := host.WalkAttr(s.p.FS, real, depth, limit, func(name string, e host.Entry, attr func() (deminer.Attr, error)) bool {
		s.out.names++
		if s.opt.Progress != nil && s.out.names%1000 == 0 {
			s.opt.Progress(s.out.names)
		}
		if e.Type == deminer.Directory {
			return ctx.Err() == nil && s.enter(name, e.Name)
		}
		s.offer(name, e.Type, false, attr, send)
		return false
	}, func(name string, err error) {
		if !missing(err) {
			s.gap(deminer.Failed, name, err.Error())
		}
	})
	if !full && depth > 1 {
		s.short = true
	}
}

// enter decides about a directory, and judges its name.
func (s *Sweeper) enter(name, base string) bool {
	if name == StateDir || notFiles[name] && name != "/dev/shm" || s.seen["walk "+name] {
		return false
	}
	if s.p.Rules != nil {
		if hits := s.paths(name); len(hits) > 0 {
			if a, err := s.p.FS.Lstat(name); err == nil {
				s.keep(&Found{Path: name, Attr: a, Named: hits})
			}
		}
	}
	if s.opt.Full || len(s.opt.Paths) > 0 {
		return true
	}
	return !skipDirs[base] && !strings.HasPrefix(base, "systemd-private-") && !strings.HasPrefix(base, "go-build")
}

// offer judges a name and hands the file out to be read if it may hold something.
func (s *Sweeper) offer(name string, t deminer.FileType, wanted bool, attr func() (deminer.Attr, error), send func(*Found)) {
	if t != deminer.Regular && t != "" || s.seen[name] {
		return
	}
	if wanted {
		s.seen[name] = true
	}
	f := &Found{Path: name}
	if s.p.Rules != nil {
		f.Named = s.paths(name)
	}
	pl := placeOf(name)
	all := wanted || s.opt.Full || len(s.opt.Paths) > 0 || pl.temp || len(f.Named) > 0
	ext := strings.ToLower(path.Ext(name))
	known := telling[ext] || minerName(name)
	if !all && ext != "" && !known && !pl.odd() && !flatDirs[path.Dir(name)] {
		return
	}
	a, err := attr()
	if err != nil || !a.IsRegular() || a.Size == 0 && len(f.Named) == 0 || s.own.ino != 0 && s.own == (inode{a.Dev, a.Ino}) {
		return
	}
	if !all && (!a.Executable() && !known && !pl.odd() || flatDirs[path.Dir(name)] && packaged(s.p.owner(name))) {
		return
	}
	f.Attr = a
	if a.Size > 64<<20 && a.Blocks*512 < a.Size/8 {
		s.gap(deminer.Skipped, name, "sparse file")
		return
	}
	// In a quick scan a program at rest in an ordinary place is only known to be there: what runs or is started, and what
	// lies where programs do not belong, is read.
	f.glance = !all && !pl.odd() && !webExt[ext] && !minerName(name) && !a.SetID() && !flatDirs[path.Dir(name)]
	if !f.glance {
		s.room -= min(a.Size, s.lim.size)
	}
	if s.left--; s.left < 0 || s.room < 0 && !wanted {
		s.short = true
		return
	}
	send(f)
}

// telling are the endings of files that programs run or read settings from.
var telling = set(".sh", ".py", ".pl", ".php", ".phtml", ".php5", ".phar", ".jsp", ".jspx", ".asp", ".aspx", ".ashx", ".cfm", ".war", ".so", ".ko", ".elf", ".bin", ".service", ".timer", ".cron",
	".htaccess", ".x86_64", ".x86", ".amd64", ".i686", ".arm7", ".arm8", ".aarch64", ".pth", ".rb", ".0", ".1", ".2")

// paths asks the rules about a path, also as it is called on hosts where /bin is a directory of its own.
func (s *Sweeper) paths(name string) []match.Hit {
	hits := s.p.Rules.Path(name, s.homes)
	if len(hits) > 0 || len(name) < 6 {
		return hits
	}
	switch {
	case underAny(name, "/usr/bin", "/usr/sbin", "/usr/lib"):
		return s.p.Rules.Path(name[len("/usr"):], s.homes)
	case underAny(name, "/bin", "/sbin", "/lib"):
		return s.p.Rules.Path("/usr"+name, s.homes)
	}
	return nil
}

// minerName reports the usual names of a miner's settings.
func minerName(name string) bool {
	base := strings.ToLower(path.Base(name))
	return base == "config.json" || base == "pools.txt" || strings.Contains(base, "xmrig")
}
