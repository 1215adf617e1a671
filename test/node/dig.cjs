// A question to the pod's name server, byte by byte: over UDP or TCP, with the search list of resolv.conf, as dig +search.
const dgram = require('node:dgram');
const fs = require('node:fs');
const net = require('node:net');

const types = { A: 1, CNAME: 5, PTR: 12, AAAA: 28, SRV: 33 };

function settings() {
  const words = fs
    .readFileSync('/etc/resolv.conf', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/));
  const of = key => words.filter(w => w[0] === key).flatMap(w => w.slice(1));
  const ndots = of('options').find(o => o.startsWith('ndots:'));
  return { server: of('nameserver')[0], search: of('search'), ndots: ndots ? Number(ndots.slice(6)) : 1 };
}

function question(name, type) {
  const labels = name.split('.').map(l => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)]));
  return Buffer.concat([
    Buffer.from([0x4b, 0x38, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...labels,
    Buffer.from([0, 0, types[type], 0, 1]),
  ]);
}

const overUdp = (server, query) =>
  new Promise((done, failed) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', failed).on('message', reply => {
      socket.close();
      done(reply);
    });
    socket.send(query, 53, server);
  });

const overTcp = (server, query) =>
  new Promise((done, failed) => {
    const socket = net.connect(53, server);
    let got = Buffer.alloc(0);
    socket.on('error', failed).on('data', chunk => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      socket.destroy();
      done(got.subarray(2));
    });
    socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
  });

/** The number of answers, and the name that was found; null when none was. */
async function dig(name, type, tcp) {
  const { server, search, ndots } = settings();
  const below = search.map(domain => `${name}.${domain}`);
  const names = name.split('.').length > ndots ? [name, ...below] : [...below, name];
  for (const asked of names) {
    const reply = await (tcp ? overTcp : overUdp)(server, question(asked, type));
    const truncated = (reply[2] & 2) !== 0;
    const [code, answers] = [reply[3] & 15, reply.readUInt16BE(6)];
    if (code === 0 && answers > 0) return { name: asked, answers, truncated };
  }
  return null;
}

module.exports = { dig, settings };
