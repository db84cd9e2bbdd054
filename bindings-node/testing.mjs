import testing from './testing.js';

export const { Rehearsal } = testing;
