package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Nothing is made before all that is needed is named.
func TestWhatIsNeededIsNamed(t *testing.T) {
	for _, test := range []struct {
		workers       int
		bucket, queue string
	}{{0, "b", "q"}, {1, "", "q"}, {1, "b", ""}} {
		if err := run(t.Context(), test.workers, test.bucket, test.queue, ""); err == nil || !strings.Contains(err.Error(), "docs/gcp-smoke.md") {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestLifeOfAToken(t *testing.T) {
	token := func(claims string) string { return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s" }
	left, err := lifeOf(token(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(time.Hour).Unix())))
	if err != nil || left > time.Hour || left < 59*time.Minute {
		t.Errorf("%v, %v", left, err)
	}
	for _, bad := range []string{"", "a.b", "a.!.c", token("{")} {
		if _, err := lifeOf(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestAnswersSayWhoSpoke(t *testing.T) {
	if got := fmt.Sprint(answer{200, true, ""}, answer{413, false, ""}); got != "200 from the agent 413 from the platform" {
		t.Error(got)
	}
	if squares([]int{0, 1, 4}) != nil || squares([]int{0, 2}) == nil {
		t.Error("squares")
	}
}
