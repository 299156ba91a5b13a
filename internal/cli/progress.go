package cli

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how much of the input is read: on a terminal only, so that nothing of it ends up
// in a file.
type progress struct {
	out   io.Writer
	total int64
	once  sync.Once // files are opened side by side
	bar   *progressbar.ProgressBar
}

func newProgress(out io.Writer) *progress { return &progress{out: out} }

// reader counts what is read. The bar appears with the first reader, when the total is known.
func (p *progress) reader(in io.Reader) io.Reader {
	f, ok := p.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return in
	}
	p.once.Do(func() {
		p.bar = progressbar.NewOptions64(p.total, progressbar.OptionSetWriter(p.out), progressbar.OptionShowBytes(true),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond))
	})
	r := progressbar.NewReader(in, p.bar)
	return &r
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
