package store

import (
	"net/url"
	"strings"

	"github.com/lambdapool/lambdapool/codec"
)

// Relinked has the links of a request name the store where it is now. A signature is of
// the key and the time, not of the store's port. What is no request of ours has none.
func Relinked(payload []byte, endpoint string) []byte {
	req, err := codec.DecodeRequest(payload)
	if err != nil {
		return payload
	}
	var links []*codec.Link
	if req.Stored != nil {
		links = append(links, &req.Stored.From)
	}
	if req.Spill != nil {
		links = append(links, &req.Spill.To)
	}
	if d := req.Detached; d != nil {
		links = append(links, &d.Claim, &d.Holder, &d.Result, &d.Done, &d.Rest, &d.Marks)
	}
	for _, l := range links {
		if u, err := url.Parse(l.URL); err == nil && strings.HasPrefix(u.Path, pathPrefix) {
			l.URL = endpoint + strings.TrimPrefix(l.URL, u.Scheme+"://"+u.Host)
		}
	}
	moved, err := codec.EncodeRequest(req)
	if err != nil {
		return payload
	}
	return moved
}
