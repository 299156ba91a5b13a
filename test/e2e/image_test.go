package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// imageConfig is what the image holds besides the machine's own programs.
var imageConfig = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" +
		"sshd:x:100:65534::/run/sshd:/bin/false\n" +
		"staff:x:1000:1000:staff:/home/staff:/bin/sh\n",
	"etc/group":         "root:x:0:\nadm:x:4:\nnogroup:x:65534:\nstaff:x:1000:\n",
	"etc/shadow":        "root:*:20000::::::\nsshd:!:20000::::::\nstaff:*:20000::::::\n",
	"etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
	// nodelay: an attacker does not have to wait two seconds per guess for a test to be true.
	"etc/pam.d/sshd": "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n",
	"etc/pam.d/other": "auth required pam_deny.so\naccount required pam_deny.so\n" +
		"password required pam_deny.so\nsession required pam_deny.so\n",
	"etc/rsyslog.conf": "module(load=\"imuxsock\")\nauth,authpriv.* action(type=\"omfile\" file=\"/var/log/auth.log\" template=\"RSYSLOG_FileFormat\")\n",
	// MaxStartups as low as the article's lockout needs: with it, a few idle connections of the
	// attacker keep staff out.
	"etc/ssh/sshd_config": "Port 22\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n" +
		"MaxStartups 8:100:8\nLoginGraceTime 60\nPrintMotd no\nPrintLastLog no\n",
}

// imageRun is the command of a container of the image.
var imageRun = []string{"/bin/sh", "-c", "rsyslogd && exec /usr/sbin/sshd -D"}

// writeImage writes the root file system of a jump host as a tar: the machine's own sshd and
// rsyslogd with their libraries and a shell. publicKey lets `staff` in. No registry, no
// debootstrap.
func writeImage(w io.Writer, publicKey []byte) error {
	files, err := imageFiles()
	if err != nil {
		return err
	}
	out := &rootfs{tar: tar.NewWriter(w), made: map[string]bool{}}
	out.links()
	for _, f := range files {
		out.copy(f)
	}
	names := make([]string, 0, len(imageConfig))
	for name := range imageConfig {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		mode := int64(0o644)
		if name == "etc/shadow" {
			mode = 0o600
		}
		out.file(name, mode, []byte(imageConfig[name]))
	}
	hostKey, err := newKey()
	if err != nil {
		return err
	}
	out.file("etc/ssh/ssh_host_ed25519_key", 0o600, hostKey.private)
	out.file("home/staff/.ssh/authorized_keys", 0o644, publicKey)
	for _, dir := range []string{"run/sshd", "root", "tmp", "var/log", "var/spool/rsyslog", "dev", "proc", "sys"} {
		out.dir(dir)
	}
	if out.err != nil {
		return out.err
	}
	return out.tar.Close()
}

// imageFiles is every program, module and library that the image takes from the machine.
func imageFiles() ([]string, error) {
	var files []string
	for _, program := range []string{"sshd", "rsyslogd", "sh"} {
		found, err := exec.LookPath(program)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w; run: %s", program, err, bring)
		}
		files = append(files, found)
	}
	// What is loaded by name at run time: PAM and rsyslog modules, and libgcc_s, which glibc
	// needs to cancel rsyslog's threads. The folders differ between distributions.
	for _, lib := range []string{"/lib", "/lib/*-linux-gnu*", "/lib64"} {
		for _, name := range []string{"security/pam_unix.so", "security/pam_deny.so", "rsyslog/imuxsock.so", "rsyslog/lmnet.so", "libgcc_s.so.1"} {
			found, _ := filepath.Glob(lib + "/" + name)
			files = append(files, found...)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	libs, err := exec.CommandContext(ctx, "ldd", files...).Output()
	if err != nil {
		return nil, fmt.Errorf("list libraries: %w", err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s.*?(/\S+) \(0x`).FindAllSubmatch(libs, -1) {
		files = append(files, string(m[1]))
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// rootfs writes a tar with the folders that its files need; the first error stays.
type rootfs struct {
	tar  *tar.Writer
	made map[string]bool
	err  error
}

func (r *rootfs) dir(name string) {
	if name == "." || name == "/" || r.made[name] {
		return
	}
	r.dir(path.Dir(name))
	r.made[name] = true
	r.head(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (r *rootfs) head(h *tar.Header) {
	if r.err == nil {
		r.err = r.tar.WriteHeader(h)
	}
}

func (r *rootfs) file(name string, mode int64, content []byte) {
	r.dir(path.Dir(name))
	r.head(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))})
	if r.err == nil {
		_, r.err = io.Copy(r.tar, bytes.NewReader(content))
	}
}

// links repeats the machine's own links of the top folder (/bin to usr/bin and so on), since
// programs name their files by either path.
func (r *rootfs) links() {
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if to, err := os.Readlink("/" + name); err == nil {
			r.head(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777})
		}
	}
}

// copy takes over a file of the machine under its name; where the name leads through a linked
// folder, into the folder itself.
func (r *rootfs) copy(from string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(from))
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("find for image: %w", err)
	}
	name := filepath.Join(dir, filepath.Base(from))
	if r.made[name] {
		return
	}
	r.made[name] = true
	content, err := os.ReadFile(from)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read for image: %w", err)
	}
	r.file(name[1:], 0o755, content)
}

// key is an ssh key pair.
type key struct{ private, public []byte }

func newKey() (key, error) {
	dir, err := tempDir("key")
	if err != nil {
		return key{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	file := filepath.Join(dir, "key")
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file).CombinedOutput(); err != nil {
		return key{}, fmt.Errorf("make ssh key: %w: %s", err, out)
	}
	private, err := os.ReadFile(file)
	if err != nil {
		return key{}, err
	}
	public, err := os.ReadFile(file + ".pub")
	return key{private, public}, err
}
