// Everpost through its Node package: by promises, or as a transport of
// nodemailer.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Mailer } = require('../../bindings-node/index.js');
const job = JSON.parse(process.argv[2]);
const raw = readFileSync(job.message);
const envelope = { from: job.sender, to: [job.recipient] };
const mailer = new Mailer({
    host: job.host,
    port: job.port,
    username: job.user,
    password: job.password,
    trust: job.ca,
    maxConnections: job.connections,
});

/** What sends one message, by how it is asked for. */
function sender() {
    if (job.how !== 'nodemailer') return () => mailer.send(raw);
    const nodemailer = createRequire(`${process.env.BENCH_MODULES}/`)('nodemailer');
    const everpost = require('../../bindings-node/nodemailer.js');
    const transport = nodemailer.createTransport(everpost(mailer));
    return () => transport.sendMail({ envelope, raw });
}

const send = sender();

async function run(seconds) {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    let messages = 0;
    const worker = async () => {
        while (performance.now() - begin < seconds * 1000) {
            await send();
            messages += 1;
        }
    };
    await Promise.all(Array.from({ length: job.connections }, worker));
    const used = process.cpuUsage(cpu);
    return { messages, seconds: (performance.now() - begin) / 1000, cpu: (used.user + used.system) / 1e6 };
}

function peakMemory() {
    try {
        return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
    } catch {
        return null;
    }
}

const warm = await run(job.warm);
const measured = await run(job.seconds);
console.log(JSON.stringify({ ...measured, total: warm.messages + measured.messages, peak_memory: peakMemory() }));
await mailer.close();
