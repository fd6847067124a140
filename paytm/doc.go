// Package paytm speaks Paytm's wire: it checks and makes checksums, reads the messages Paytm
// posts to a webhook, says what each of them is about, and asks the Transaction Status API.
//
// The usual way of a message is
//
//	envelope, err := paytm.Parse(body)   // err: malformed
//	if !envelope.Verify(key) { … }       // not signed with this merchant key
//	message := envelope.Classify()       // what it says
//
// A valid checksum is evidence, not proof. Paytm signs the values of a form joined by "|", but
// neither the names of the fields nor where one value ends and the next begins. Whoever sees one
// signed message and controls the text of one value in it can cut the same characters into other
// fields, and Paytm's own libraries accept the result. Message.Review and Message.Unknown name
// what such a forgery needs; only an Answer of the Transaction Status API settles it.
//
// The package needs nothing but the standard library, keeps no state and is safe for concurrent
// use.
package paytm
