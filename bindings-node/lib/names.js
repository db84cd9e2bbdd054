'use strict';

// Names: snake_case on the native side, camelCase on this one.

const known = new Map();

function toCamel(name) {
  let camel = known.get(name);
  if (camel === undefined) {
    camel = name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
    // Names of fields are few; keys that are data are not kept.
    if (known.size < 1000) known.set(name, camel);
  }
  return camel;
}

function toSnake(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same value with all its keys in camelCase. */
function camel(value) {
  if (Array.isArray(value)) return value.map(camel);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [toCamel(key), camel(held)]));
}

module.exports = { camel, toCamel, toSnake };
