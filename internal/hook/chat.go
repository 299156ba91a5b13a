package hook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Chat tells ntfy, Slack, Telegram and the other services that shoutrrr knows by their URLs, such
// as ntfy://ntfy.sh/TOPIC or telegram://TOKEN@telegram?chats=ID.
type Chat struct {
	scheme string
	router *router.ServiceRouter
}

// chatLines is how much of a bundle goes into one message.
const chatLines = 20

// NewChat reads a URL of shoutrrr. The error does not repeat it: it holds secrets.
func NewChat(url string) (*Chat, error) {
	scheme, _, ok := strings.Cut(url, "://")
	if !ok {
		return nil, errors.New("expected SERVICE://..., such as ntfy://ntfy.sh/TOPIC")
	}
	r, err := shoutrrr.CreateSender(url)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", scheme, strings.ReplaceAll(err.Error(), url, "the URL"))
	}
	return &Chat{scheme: scheme, router: r}, nil
}

// Name is the kind of service.
func (c *Chat) Name() string { return c.scheme }

// Send sends a bundle as one message. The library has no way to be stopped: who stops does not wait
// for it.
func (c *Chat) Send(ctx context.Context, b Bundle) error {
	text := strings.Join(b.Lines[:min(len(b.Lines), chatLines)], "\n")
	if more := len(b.Lines) - chatLines; more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	done := make(chan error, 1)
	go func() {
		params := types.Params{}
		params.SetTitle(unmarked("gaol on " + b.Host + ": " + b.Title))
		done <- errors.Join(c.router.Send(unmarked(text), &params)...)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unmarked is text without what chat services take for more than text: calls to everybody (Slack's
// <!channel>, @everyone), links under another name ([bank](https://...), <https://...|bank>). The
// library passes these on. Signs that look alike stand in their place.
func unmarked(text string) string {
	text = strings.NewReplacer("<", "‹", ">", "›", "](", "] (").Replace(text)
	for _, all := range []string{"everyone", "here", "channel", "all", "room"} {
		text = strings.ReplaceAll(text, "@"+all, "＠"+all)
	}
	return text
}
