package container

import (
	"fmt"
	"regexp"
	"strings"
)

// Ref names the containers that a jail is about, as its option container does:
//
//	container = NAME | label=KEY[=VALUE] | compose=PROJECT/SERVICE
//
// A name is one container, under whatever id and address it comes back; a label or a compose
// service may be several. The zero Ref matches nothing.
type Ref struct {
	name             string
	key, value       string // of a label
	anyValue         bool   // label=KEY
	project, service string
}

// nameGrammar is what Docker and Podman take as a container's name; a full or shortened id is one too.
const nameGrammar = `^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`

// Labels that compose puts on the containers it makes (podman-compose writes the same).
const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	composeOneOff  = "com.docker.compose.oneoff" // "True" on what `docker compose run` made
)

// ParseRef reads a jail's container option. The error says what is wrong and what is taken.
func ParseRef(text string) (Ref, error) {
	text = strings.TrimSpace(text)
	kind, rest, tagged := strings.Cut(text, "=")
	switch {
	case tagged && strings.TrimSpace(kind) == "label":
		key, value, valued := strings.Cut(strings.TrimSpace(rest), "=")
		if key == "" || strings.ContainsAny(key, " \t\n,") {
			return Ref{}, fmt.Errorf("container = %s: a label needs a key: label=KEY or label=KEY=VALUE", text)
		}
		return Ref{key: key, value: value, anyValue: !valued}, nil
	case tagged && strings.TrimSpace(kind) == "compose":
		project, service, both := strings.Cut(strings.TrimSpace(rest), "/")
		name := regexp.MustCompile(nameGrammar)
		if !both || !name.MatchString(project) || !name.MatchString(service) {
			return Ref{}, fmt.Errorf("container = %s: expected compose=PROJECT/SERVICE, as `docker compose ls` and the compose file name them", text)
		}
		return Ref{project: project, service: service}, nil
	case !regexp.MustCompile(nameGrammar).MatchString(text):
		return Ref{}, fmt.Errorf("container = %s: expected a container's name, label=KEY[=VALUE] or compose=PROJECT/SERVICE", text)
	}
	return Ref{name: text}, nil
}

// String is the option's text.
func (r Ref) String() string {
	switch {
	case r.name != "":
		return r.name
	case r.project != "":
		return "compose=" + r.project + "/" + r.service
	case r.anyValue:
		return "label=" + r.key
	case r.key != "":
		return "label=" + r.key + "=" + r.value
	}
	return ""
}

// shortID is how many digits of an id a Ref must give at least; docker ps shows as many.
const shortID = 12

// Matches says whether the container is meant.
func (r Ref) Matches(c Container) bool {
	switch {
	case r.name != "":
		return c.Name == r.name || len(r.name) >= shortID && strings.HasPrefix(c.ID, r.name)
	case r.project != "":
		return c.Labels[composeProject] == r.project && c.Labels[composeService] == r.service &&
			!strings.EqualFold(c.Labels[composeOneOff], "true")
	case r.key != "":
		value, ok := c.Labels[r.key]
		return ok && (r.anyValue || value == r.value)
	}
	return false
}
