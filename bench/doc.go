// Bench measures hissa side by side with other ways to do the same work, on this machine, and
// writes a table. README.md says what is compared and how fairly.
//
// Start reading at main.go (which works there are), then turn.go (what happens to one server for
// one row of the table), load.go and paced.go (the two ways to send requests).
package main
