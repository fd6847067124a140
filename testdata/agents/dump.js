// Prints, as one JSON object, what agents_test.go compares notAPerson with: every example of the
// crawler-user-agents list ("crawlers"), and isbot's verdict on each of them and on each of the
// user agents given on standard input as a JSON array ("given", in the same order).
'use strict';

const fs = require('node:fs');
const list = require('crawler-user-agents');
const { isbot } = require('isbot');

const crawlers = [];
for (const entry of list) {
  for (const agent of entry.instances) {
    crawlers.push({
      tags: entry.tags || [],
      agent,
      isbot: isbot(agent),
    });
  }
}
const given = JSON.parse(fs.readFileSync(0, 'utf8')).map((agent) => isbot(agent));
process.stdout.write(JSON.stringify({ crawlers, given }));
