package local_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lambdapool/lambdapool/backend/local"
)

func TestPrintingShowsNoKey(t *testing.T) {
	t.Parallel()
	s, err := local.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := open(t)
	for v, secret := range map[any]string{b: second(b.Credentials()), s: second(s.Credentials())} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, secret) || !strings.Contains(text, "127.0.0.1:") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
}

func second(_, secret string) string { return secret }
