package agent

var SinceStart = sinceStart
