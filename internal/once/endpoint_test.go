package once_test

import (
	"testing"

	"github.com/lambdapool/lambdapool/internal/once"
)

func TestEndpoint(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://127.0.0.1:9001": true, "https://a.example/b/": true,
		"": false, "a.example": false, "https://": false, "ftp://a.example": false, "https:///b": false, "http://a b": false,
		"https://me:secret@a.example": false, "https://a.example?b=c": false, "https://a.example#b": false, "127.0.0.1:9001": false,
	} {
		if got := once.Endpoint(raw); (got != nil) != want || want && got.String() != raw {
			t.Errorf("%q: %v", raw, got)
		}
	}
}
