// nodemailer: its pool, or a connection for each message.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// Modules are looked up where `cargo xtask bench` has installed them.
const require = createRequire(`${process.env.BENCH_MODULES}/`);
const nodemailer = require('nodemailer');
const job = JSON.parse(process.argv[2]);
const raw = readFileSync(job.message);
const envelope = { from: job.sender, to: [job.recipient] };
const transport = nodemailer.createTransport({
    host: job.host,
    port: job.port,
    secure: true,
    pool: job.how !== 'fresh',
    maxConnections: job.connections,
    maxMessages: Infinity,
    auth: { user: job.user, pass: job.password },
    authMethod: 'PLAIN',
    tls: { ca: readFileSync(job.ca) },
});

async function run(seconds) {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    let messages = 0;
    const worker = async () => {
        while (performance.now() - begin < seconds * 1000) {
            await transport.sendMail({ envelope, raw });
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
transport.close();
