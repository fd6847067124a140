// The command line of both programs here.
'use strict';

const { readFileSync } = require('node:fs');
const { parseArgs } = require('node:util');

// flags reads the named flags, all of which are needed. --key names a file, and its value is what the
// file holds.
module.exports = function flags(...names) {
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  });
  for (const name of names) {
    if (!values[name]) {
      process.stderr.write(`--${name} is missing\n`);
      process.exit(2);
    }
  }
  values.key = readFileSync(values.key, 'utf8').trim();
  return values;
};
