// Package peers has no code of its own: below it are the programs that Hissa is measured against,
// each as a competent developer would write it, and its test starts every one of them.
//
//	postgres    PostgreSQL: the whole booking is one statement
//	single      SQLite: one connection writes, a transaction a request
//	pocketbase  PocketBase as a framework, its SQLite made as durable; a module of its own
//	node        Express, Paytm's own checksum library and better-sqlite3
//	hello       no database: what HTTP costs, and with -verify what the checksum costs
//	oneclick    a partner's link, a row for each click
//
// All but the last two do the same work for a message from Paytm: read the form, verify the
// checksum, find the order's click and the click's partner, insert payment, commission and message
// in one transaction, and answer when an fsync has put it on the disk.
//
// All have the flags -listen, -data and -key, and these routes (oneclick has /r/CODE in place of
// the two that take a body):
//
//	GET  /ready           200 from the first answer on
//	POST /seed            order id, click id and partner, separated by tabs, a line each
//	POST /webhooks/paytm  {"result":"credited"} or {"result":"duplicate"}; 401 for a forgery
//	GET  /count           {"payments":N,"commissions":N,"messages":N}
//
// Beyond the two results there are "unattributed", for an order that nobody brought, and "ignored",
// for a message that is not about a payment that succeeded. SIGTERM ends a peer and its children.
package peers
