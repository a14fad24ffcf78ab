// Package live shows what executors do, while they do it: one page on this machine, for a browser.
//
//	page, err := live.Serve(ctx) // prints its address
//	pool, err := lambdapool.New(backend, page)
//
// The page has the runs with their progress, the invocations in flight over time, a row for each
// agent, what failed and why, what takes long, and the cost so far. It keeps its last state when
// the program ends.
//
// Nothing in the program needs to change where the environment has LAMBDAPOOL_LIVE=1: programs that
// import this package, or package backend, show all their executors then.
//
// Detached runs are another matter: agents record what becomes of them in the object store, and no executor
// hears of it. So MapDetached and Attach refuse a page as an option, and an executor's page shows nothing of them
// while they run. Look at them with the page's button "Look in the store", [Page.Follow] in a program, or
// "lambdapool runs show NAME --web": how far each is, as the store has it. There are neither agents nor failures in that.
//
// The page is served on the loopback interface alone, under a path that nobody can guess: who has
// the address may see the page, and cancel detached runs. It loads nothing from elsewhere.
// Arguments and results are never shown. Texts of errors are, and names of functions.
//
// What is kept does not grow with the run: counts are exact, and of the rest the latest is kept.
package live
