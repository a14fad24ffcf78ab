package codec

// Scan is scan, for its fuzz test.
var Scan = scan
