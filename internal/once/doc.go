// Package once is what sending a request at most once takes over net/http: a body that the transport gives
// back, the URL of a server, what is known of a request that failed on its way, a transport on which a lost connection
// costs one call, and what all answers have in common. It decides nothing about what an answer means,
// and knows no platform.
package once
