package cloudrun

import "time"

// AskLog has the log be asked with other times than those that suit Google: a test must not depend on its machine's speed.
func (b *Backend) AskLog(patience, quiet time.Duration) {
	b.postmortem.patience, b.postmortem.quiet = patience, quiet
}
