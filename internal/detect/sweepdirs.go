package detect

import (
	"context"
	"path"
	"runtime"
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

// maxWalkers bounds how many directories are looked at at a time, where all of a tree is.
const maxWalkers = 4

// walk goes through one tree. Where the quick scan's limits hold, what is found under them hangs on the order: one walker.
func (s *Sweeper) walk(ctx context.Context, root string, send func(*Found)) {
	real, err := host.Resolve(s.p.FS, root)
	if err != nil || s.walked[real] {
		return
	}
	s.walked[real] = true
	depth, walkers := s.lim.depth, 1
	if flatDirs[root] && !s.opt.Full {
		depth = 1
	}
	if s.all {
		walkers = min(maxWalkers, runtime.GOMAXPROCS(0))
	}
	limit := min(s.lim.perRoot, s.lim.names-s.out.names)
	full := host.WalkDirs(s.p.FS, real, depth, limit, walkers, func(f host.Folder) []string { return s.folder(ctx, f, send) }, func(name string, err error) {
		if !missing(err) {
			s.gap(deminer.Failed, name, err.Error())
		}
	})
	if !full && depth > 1 {
		s.short.Store(true)
	}
}

// folder judges the names in one directory, and gives the directories among them that are entered.
func (s *Sweeper) folder(ctx context.Context, f host.Folder, send func(*Found)) (enter []string) {
	s.count(len(f.List))
	if ctx.Err() != nil {
		return nil
	}
	asked := s.p.Rules != nil && s.pathsIn(f.Prefix)
	for _, e := range f.List {
		switch {
		case e.Type == deminer.Directory:
			if name := f.Prefix + e.Name; s.enter(name, e.Name, asked) {
				enter = append(enter, name)
			}
		case s.all && !asked && len(s.seen) == 0:
			s.plain(f, e, send)
		default:
			s.offer(f.Prefix+e.Name, e.Type, false, func() (deminer.Attr, error) { return f.Dir.Lstat(e.Name) }, send)
		}
	}
	return enter
}

// count adds to the names seen.
func (s *Sweeper) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.out.names / 1000
	s.out.names += n
	if s.opt.Progress != nil && s.out.names/1000 > before {
		s.opt.Progress(s.out.names)
	}
}

// enter decides about a directory, and judges its name where a rule may speak of it.
func (s *Sweeper) enter(name, base string, asked bool) bool {
	if name == StateDir || notFiles[name] && name != "/dev/shm" || s.walked[name] {
		return false
	}
	if asked {
		if hits := s.paths(name); len(hits) > 0 {
			if a, err := s.p.FS.Lstat(name); err == nil {
				s.keep(&Found{Path: name, Attr: a, Named: hits})
			}
		}
	}
	if s.all {
		return true
	}
	return !skipDirs[base] && !strings.HasPrefix(base, "systemd-private-") && !strings.HasPrefix(base, "go-build")
}

// plain is offer where all is read and no rule speaks of the name. What the cache knows and nobody asks for costs no more
// than the look at it: nearly all of an unchanged tree.
func (s *Sweeper) plain(f host.Folder, e host.Entry, send func(*Found)) {
	if e.Type != deminer.Regular && e.Type != "" {
		return
	}
	a, err := f.Dir.Lstat(e.Name)
	if err != nil || !s.worth(a, false) {
		return
	}
	if c, ok := s.cached(a); ok && !sparse(a) && !asksFor(e.Name, a, c) {
		s.fits(a, false, false)
		return
	}
	s.take(&Found{Path: f.Prefix + e.Name, Attr: a}, false, send)
}

// worth reports whether there is something to read in a file. named: rules speak of its path.
func (s *Sweeper) worth(a deminer.Attr, named bool) bool {
	return a.IsRegular() && (a.Size > 0 || named) && (s.own.ino == 0 || s.own != inode{a.Dev, a.Ino})
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
	all := wanted || s.all || pl.temp || len(f.Named) > 0
	ext := strings.ToLower(path.Ext(name))
	known := telling[ext] || minerName(name)
	if !all && ext != "" && !known && !pl.odd() && !flatDirs[path.Dir(name)] {
		return
	}
	a, err := attr()
	if err != nil || !s.worth(a, len(f.Named) > 0) {
		return
	}
	if !all && (!a.Executable() && !known && !pl.odd() || flatDirs[path.Dir(name)] && packaged(s.p.owner(name))) {
		return
	}
	f.Attr = a
	// In a quick scan a program at rest in an ordinary place is only known to be there: what runs or is started, and what
	// lies where programs do not belong, is read.
	f.glance = !all && !pl.odd() && !webExt[ext] && !minerName(name) && !a.SetID() && !flatDirs[path.Dir(name)]
	s.take(f, wanted, send)
}

// take hands a file out to be read, unless the cache knows it.
func (s *Sweeper) take(f *Found, wanted bool, send func(*Found)) {
	if sparse(f.Attr) {
		s.gap(deminer.Skipped, f.Path, "sparse file")
		return
	}
	if !s.fits(f.Attr, f.glance, wanted) {
		return
	}
	if c, ok := s.cached(f.Attr); ok {
		f.Content = c
		s.settle(f)
		return
	}
	send(f)
}

func sparse(a deminer.Attr) bool { return a.Size > 64<<20 && a.Blocks*512 < a.Size/8 }

// fits takes a file off what may still be read, and reports whether it may be.
func (s *Sweeper) fits(a deminer.Attr, glance, wanted bool) bool {
	var size int64
	if !glance {
		size = min(a.Size, s.lim.size)
	}
	room := s.room.Add(-size)
	if s.left.Add(-1) >= 0 && (room >= 0 || wanted) {
		return true
	}
	s.short.Store(true)
	return false
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

// pathsIn reports whether paths may have something to say of a name in a directory, given with a slash at its end.
func (s *Sweeper) pathsIn(dir string) bool {
	if s.p.Rules.PathsIn(dir, s.homes) {
		return true
	}
	switch {
	case underAny(dir, "/usr/bin", "/usr/sbin", "/usr/lib"):
		return s.p.Rules.PathsIn(dir[len("/usr"):], s.homes)
	case underAny(dir, "/bin", "/sbin", "/lib"):
		return s.p.Rules.PathsIn("/usr"+dir, s.homes)
	}
	return false
}

// minerName reports the usual names of a miner's settings.
func minerName(name string) bool {
	base := strings.ToLower(path.Base(name))
	return base == "config.json" || base == "pools.txt" || strings.Contains(base, "xmrig")
}
