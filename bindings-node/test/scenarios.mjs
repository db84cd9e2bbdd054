// Carries out the scenarios of tests/scenarios: docs/scenarios.md has the
// format. It is told what to do and reports what it saw; it judges nothing.

import { readFileSync } from 'node:fs';
import { CertificateError, DeliveryUnknownError, EverpostError, Mailer, certificate, diagnose, probe } from '../index.mjs';
import portModule from '../lib/port.js';

const { native, port, run } = portModule;
const PATIENCE = 30_000;
const EVENTS = {
  rotated: 'rotated',
  rolled_back: 'rolledBack',
  retired: 'retired',
  retried: 'retried',
  expiring: 'expiring',
  unhealthy: 'unhealthy',
  recovered: 'recovered',
  delivery_unknown: 'deliveryUnknown',
  late_verdict: 'lateVerdict',
};

/** The server, at the other end of requests and answers. */
class Server {
  #native = new native.Rehearsal(port);
  /** All that it has said, newer over older. */
  known = {};

  async start(options) {
    this.known = await run((id) => this.#native.start(id, JSON.stringify(options)), undefined, this);
    return this;
  }

  async ask(request) {
    const text = JSON.stringify(this.fill(request));
    const answer = await run((id) => this.#native.request(id, text), undefined, this);
    Object.assign(this.known, answer);
    return answer;
  }

  async must(request) {
    const answer = await this.ask(request);
    if (answer.ok !== true) throw new Error(`${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** The value with each `${path}` replaced by what the server has said. */
  fill(value) {
    if (Array.isArray(value)) return value.map((one) => this.fill(one));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.fill(one)]));
    }
    if (typeof value !== 'string') return value;
    const look = (path) => {
      const found = path.split('.').reduce((held, name) => held?.[name], this.known);
      if (found === undefined || found === null) throw new Error(`the server has not said ${path}`);
      return found;
    };
    const whole = /^\$\{([^}]*)\}$/.exec(value);
    if (whole) return look(whole[1]);
    return value.replace(/\$\{([^}]*)\}/g, (_, path) => String(look(path)));
  }
}

/** The client under way. */
class Client {
  #told = [];
  #hears = () => {};
  late = null;

  constructor(options) {
    this.options = options;
    this.mailer = new Mailer(options);
    for (const [name, event] of Object.entries(EVENTS)) {
      this.mailer.on(event, () => {
        this.#told.push(name);
        this.#hears();
      });
    }
  }

  async event(name) {
    for (;;) {
      while (this.#told.length > 0) if (this.#told.shift() === name) return;
      await new Promise((resolve) => (this.#hears = resolve));
    }
  }

  outcome(result) {
    if (result.status === 'fulfilled') {
      const receipt = result.value;
      return {
        delivery: 'accepted',
        message_id: receipt.messageId,
        reply: receipt.responseCode,
        attempts: receipt.attempts,
        accepted: receipt.accepted,
        rejected: rejected(receipt.rejected),
        leaf: receipt.certificateFingerprint,
      };
    }
    const error = result.reason;
    if (!(error instanceof EverpostError)) throw error;
    this.late = error instanceof DeliveryUnknownError && error.awaitsVerdict ? error : null;
    return failure(error);
  }
}

function failure(error) {
  if (!(error instanceof EverpostError)) throw error;
  return {
    kind: error.kind,
    stage: error.stage,
    delivery: error.delivery,
    retryable: error.retryable,
    attempts: error.attempts,
    message: error.message,
    hint: error.hint,
    message_id: error.messageId,
    reply: error.responseCode,
    enhanced: error.enhancedCode,
    rejected: rejected(error.rejected),
    findings: error instanceof CertificateError ? error.certificate.findings.map(({ id }) => id) : null,
    late_verdict: error instanceof DeliveryUnknownError && error.awaitsVerdict,
  };
}

function rejected(recipients) {
  return recipients.map(({ address, responseCode }) => ({ address, reply: responseCode }));
}

function letter({ raw, envelope }) {
  if (!envelope) return { raw };
  const { from, to, require_tls: requireTls, dsn } = envelope;
  return { raw, envelope: { from, to, requireTls, dsn: dsn ? reports(dsn) : undefined } };
}

/** What delivery reports are asked for; what is null is not. */
function reports({ envid, return: returned, notify }) {
  return { id: envid ?? undefined, return: returned ?? undefined, notify: notify?.split(',') };
}

function optionsOf(server, { url, trust, identity, tokens }) {
  const options = { url: server.fill(url) };
  if (trust) options.trust = server.fill('${ca_pem}');
  if (identity) options.identity = { cert: server.fill('${chain_pem}'), key: server.fill('${key_pem}') };
  if (tokens) {
    const answers = [...tokens.answers];
    options.tokenUser = tokens.user;
    options.token = async () => (answers.length > 1 ? answers.shift() : answers[0]);
  }
  return options;
}

const STEPS = {
  async send({ messages, meanwhile, cancel }, client, server) {
    const controller = new AbortController();
    const sends = Promise.allSettled(
      messages.map((message) => client.mailer.send(letter(message), { signal: controller.signal })),
    );
    for (const request of meanwhile) await server.must(request);
    if (cancel) controller.abort();
    return { outcomes: (await sends).map((result) => client.outcome(result)) };
  },

  async send_all({ messages }, client) {
    const outcomes = [];
    for await (const { index, receipt, error } of client.mailer.sendMany(messages.map(letter))) {
      outcomes[index] = client.outcome(
        receipt ? { status: 'fulfilled', value: receipt } : { status: 'rejected', reason: error },
      );
    }
    return { outcomes };
  },

  async server({ request }, client, server) {
    return server.ask(request);
  },

  async event({ event }, client) {
    await client.event(event);
    return { event };
  },

  async late_verdict(step, client) {
    if (!client.late) throw new Error('no late verdict to wait for');
    const verdict = await client.late.lateVerdict();
    if (!verdict) return { delivery: null };
    const { receipt, error } = verdict;
    return client.outcome(receipt ? { status: 'fulfilled', value: receipt } : { status: 'rejected', reason: error });
  },

  async verify(step, client) {
    try {
      return { delivery: null, offered: await client.mailer.verify() };
    } catch (error) {
      return failure(error);
    }
  },

  async health(step, client) {
    return { status: client.mailer.health().status };
  },

  async stats(step, client) {
    const stats = client.mailer.stats();
    return {
      accepted: stats.accepted,
      refused: stats.refused,
      unknown: stats.unknown,
      not_sent: stats.notSent,
      retries: stats.retries,
      opened: stats.opened,
      full_handshakes: stats.fullHandshakes,
      resumed_handshakes: stats.resumedHandshakes,
      rotations: stats.rotations,
    };
  },

  async explain({ file }, client, server) {
    const certificateFile = file ? await certificate.read(Buffer.from(server.fill(file))) : undefined;
    const { fault, remedy, details } = await client.mailer.explain({ certificateFile });
    return { fault, remedy, served: details.served?.sha256 ?? null };
  },

  async probe({ target }, client, server) {
    const report = await probe(server.fill(target), { trust: client.options.trust });
    return { status: report.status, findings: report.findings.map(({ id }) => id) };
  },

  async diagnose({ from, to, size }, client) {
    const report = await diagnose(client.options, {
      from: from ?? undefined,
      to,
      size: size ?? undefined,
      looks: false,
    });
    const { holds, cause } = report.details;
    return { holds, step: report.fault, cause: cause?.id ?? null, remedy: report.remedy };
  },

  async close(step, client) {
    await client.mailer.close();
    return {};
  },
};

async function carryOut(scenario) {
  const server = await new Server().start(scenario.server);
  const listening = { ...server.known };
  for (const request of scenario.setup) await server.must(request);
  const steps = [];
  const options = optionsOf(server, scenario.client);
  let made = {};
  let client = null;
  try {
    client = new Client(options);
  } catch (error) {
    made = failure(error);
  }
  if (client) {
    for (const step of scenario.steps) steps.push(await STEPS[step.do](step, client, server));
    await client.mailer.close();
  }
  // What is still on its way arrives before it is counted.
  await server.must({ do: 'wait', closed: true });
  const { counts } = await server.must({ do: 'counts' });
  const { stats } = await server.must({ do: 'stats' });
  await server.ask({ do: 'stop' });
  return { listening, client: made, steps, end: { copies: counts, server: stats } };
}

function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it did not end in 30 s')), PATIENCE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const { scenarios } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const scenario of scenarios) {
  let line;
  try {
    line = { scenario: scenario.name, ok: true, seen: await inTime(carryOut(scenario)) };
  } catch (error) {
    line = { scenario: scenario.name, ok: false, why: String(error?.message ?? error) };
  }
  console.log(JSON.stringify(line));
}
