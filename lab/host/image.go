//go:build linux

package host

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed business.sh
var business string

// Flavor is a set of packages of a lab root.
type Flavor string

// The flavors. Base has the services of a small shop; Benign also has a Java VM, a Go
// tool chain and the programs that put honest load on a machine.
const (
	Base   Flavor = "base"
	Benign Flavor = "benign"
)

const (
	basePackages = "systemd,systemd-sysv,dbus,cron,openssh-server,nginx-light,redis-server,postgresql,curl,ca-certificates,procps,iproute2,iptables,nftables,sudo,logrotate,rsyslog,at,e2fsprogs,libpam-systemd,attr,acl,kmod,less,wget,python3-minimal,perl-base"
	loadPackages = "default-jre-headless,stress-ng,p7zip-full,xz-utils,openssl,ffmpeg,golang-go"
	suite        = "bookworm"
	imageSize    = "4G" // sparse
)

func (f Flavor) packages() string {
	if f == Benign {
		return basePackages + "," + loadPackages
	}
	return basePackages
}

// CacheDir is where roots and images are kept: $DEMINER_LAB_CACHE, else ~/.cache/deminer-lab.
func CacheDir() (string, error) {
	dir := os.Getenv("DEMINER_LAB_CACHE")
	if dir == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find cache directory: %w", err)
		}
		dir = filepath.Join(home, "deminer-lab")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// Image returns the file of an ext4 image of the flavor, making it on first use:
// about two minutes and network access to a Debian mirror. The name carries a hash
// of the recipe, so a changed recipe makes a new image.
func Image(ctx context.Context, f Flavor) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	// Two labs started at the same time would make the same image twice, and into the same file.
	release, err := lock(filepath.Join(cache, string(f)+".lock"))
	if err != nil {
		return "", err
	}
	defer release()
	tarball := filepath.Join(cache, fmt.Sprintf("%s-%s.tar", f, short(f.packages()+suite)))
	if _, err := os.Stat(tarball); err != nil {
		part := fmt.Sprintf("%s.%d.tar", tarball, os.Getpid())
		defer os.Remove(part)
		if err := run(ctx, "mmdebstrap", "--variant=minbase", "--mode=root", "--include="+f.packages(),
			`--aptopt=Apt::Install-Recommends "false"`, "--dpkgopt=path-exclude=/usr/share/doc/*",
			"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", suite, part); err != nil {
			return "", err
		}
		if err := os.Rename(part, tarball); err != nil {
			return "", err
		}
	}
	image := filepath.Join(cache, fmt.Sprintf("%s-%s.ext4", f, short(f.packages()+suite+business+imageSize+"aged 2")))
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	return image, fill(ctx, tarball, image)
}

// lock waits until no other lab holds the file, and gives what lets go of it.
func lock(name string) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

// fill unpacks the tarball into a new ext4 image and runs business.sh in it.
func fill(ctx context.Context, tarball, image string) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(image), "fill-")
	if err != nil {
		return err
	}
	part, mnt := filepath.Join(dir, "part"), filepath.Join(dir, "mnt")
	defer func() {
		clean := context.WithoutCancel(ctx)
		if mounted(mnt) {
			if e := run(clean, "umount", mnt); e != nil && err == nil {
				err = e
			}
		}
		if err == nil {
			err = os.Rename(part, image)
		}
		os.RemoveAll(dir)
	}()
	if err := os.Mkdir(mnt, 0o755); err != nil {
		return err
	}
	for _, c := range [][]string{
		{"truncate", "-s", imageSize, part},
		{"mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0", part},
		{"mount", "-o", "loop", part, mnt},
		{"tar", "-x", "--xattrs", "--xattrs-include=*", "-f", tarball, "-C", mnt},
	} {
		if err := run(ctx, c...); err != nil {
			return err
		}
	}
	script := filepath.Join(mnt, "business.sh")
	if err := os.WriteFile(script, []byte(business), 0o755); err != nil {
		return err
	}
	if err := run(ctx, "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--pipe", "-D", mnt, "/bin/sh", "/business.sh"); err != nil {
		return err
	}
	if err := os.Remove(script); err != nil {
		return err
	}
	old, err := age(mnt)
	if err != nil {
		return err
	}
	if err := run(ctx, "umount", mnt); err != nil {
		return err
	}
	return applyAge(ctx, part, old)
}

func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func mounted(dir string) bool {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	return strings.Contains(string(b), " "+dir+" ")
}
