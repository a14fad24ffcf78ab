// Talker is the agent of the tests of `lambdapool logs`: its function says what it is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/agent"
)

func main() { agent.Main() }

var _ = lambdapool.Register("talk", func(ctx context.Context, word string) (string, error) {
	lambdapool.Logger(ctx).InfoContext(ctx, "was told", "word", word)
	fmt.Println("plainly", word)
	if word == "" {
		slog.WarnContext(ctx, "nothing to say", "why", "no word")
		return "", errors.New("no word")
	}
	return word, nil
})
