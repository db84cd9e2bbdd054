#!/usr/bin/env node
'use strict';

// The whole command, in this process: it ends with the command.
const native = require('../lib/native.js');

process.exit(native.command(process.argv.slice(2)));
