// What users write, checked by `tsc --strict`; it is never run.
import { createReadStream } from 'node:fs';
import {
  CertificateError,
  DeliveryUnknownError,
  EverpostError,
  Mailer,
  Receipt,
  certificate,
  diagnose,
  probe,
  type MailerOptions,
  type Message,
} from 'everpost';
import everpost, { EverpostTransport, type SentMessageInfo } from 'everpost/nodemailer';
import { Rehearsal } from 'everpost/testing';
import nodemailer from 'nodemailer';

const options: MailerOptions = {
  host: 'mail.example.org',
  username: 'app',
  token: async ({ refresh }) => (refresh ? 'new' : 'kept'),
  trust: ['system', Buffer.from('')],
  connectTimeout: 5_000,
  maxIdle: '30s',
  rate: { messages: 10, per: 1000 },
};
// @ts-expect-error a wrong option is found
const wrong: MailerOptions = { hots: 'mail.example.org' };

await using mailer = new Mailer(options);
mailer.on('rotated', ({ old, new: now, text }) => console.log(old.sha256, now.notAfter, text));
mailer.once('retired', ({ reason }) => {
  // @ts-expect-error reasons are known
  if (reason === 'bored') return;
});
const receipt: Receipt = await mailer.send('raw', { signal: AbortSignal.timeout(1000) });
await mailer.send(createReadStream('message.eml'), { envelope: { from: null, to: ['a@b.c'] } });
await mailer.send({
  from: { name: 'Ann', address: 'ann@example.org' },
  to: ['bob@example.com', { address: 'cy@example.com' }],
  subject: 'Hello',
  text: 'Plain',
  attachments: [{ path: 'report.pdf' }, { filename: 'a.txt', content: 'a' }],
});
// @ts-expect-error a message has an author
await mailer.send({ to: 'bob@example.com' });

const messages: Message[] = [{ raw: 'x' }, new Uint8Array()];
for await (const result of mailer.sendMany(messages, { progress: ({ failed }) => console.log(failed) })) {
  if (result.error) console.error(result.index, result.error.message);
  else console.log(result.receipt.response);
}
try {
  await mailer.verify();
} catch (error) {
  if (error instanceof DeliveryUnknownError) console.log((await error.lateVerdict({ timeout: 1000 }))?.delivery);
  else if (error instanceof CertificateError) console.log(error.certificate.findings[0]?.remedy);
  else if (error instanceof EverpostError && error.delivery === 'not_sent' && error.retryable) console.log(error.hint);
}
console.log(mailer.health().error?.code, mailer.stats().retired.rotated, mailer.metrics(), receipt.accepted);
const file = await certificate.read('server.pfx', { password: 'x' });
const report = await probe('smtps://mail.example.org', { compare: file, judgeAfter: '14d' });
console.log(report.status, (await diagnose(options, { from: 'a@b.c' })).remedy, file.toPem());

const transport = nodemailer.createTransport(everpost({ host: 'x', secure: true, auth: { user: 'u', pass: 'p' } }));
const info: SentMessageInfo = await transport.sendMail({ to: 'bob@example.com' });
console.log(info.receipt.attempts, new EverpostTransport('smtps://x').everpost.endpoint);

const server = await Rehearsal.start({ tls: '1.3' });
await server.rotate({ restart: true });
const [first] = await server.received();
console.log(first?.data.toString(), server.url);
await server.stop();
