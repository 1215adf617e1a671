// Runs in pods: says its name over HTTP (ports of the command line), UDP 8081 and gRPC health 5000, and asks others when
// told to: GET /dial?to=http://…|https://…|udp://…|tcp://…&times=N&from=ADDRESS, /dns?type=…&name=…,
// /dig?type=…&name=…&tcp=1 (with search list), /hosts?name=… (as the C library finds it).
// Further arguments: udp:PORT, PORT=TEXT and tls:PORT=TEXT, which says that to everyone.
const dgram = require('node:dgram');
const dns = require('node:dns').promises;
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');

const name = os.hostname();
const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const timeoutMs = 1500;
let healthy = true;

const within = act =>
  new Promise(done => {
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    act(text => {
      clearTimeout(timer);
      done(text);
    });
  });

const asks = {
  'http:': (url, done, from) => {
    http.get(url, { agent: false, ...(from && { localAddress: from }) }, r => collect(r, done)).on('error', e => done(e.code));
  },
  // Trusts the cluster's certificate authority alone, and says who it is.
  'https:': (url, done) => {
    const headers = { authorization: `Bearer ${fs.readFileSync(`${account}/token`, 'utf8')}` };
    const ca = fs.readFileSync(`${account}/ca.crt`);
    https.get(url, { agent: false, headers, ca }, r => collect(r, text => done(`${r.statusCode} ${text}`))).on('error', e => done(e.code));
  },
  'udp:': (url, done) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', e => done(e.code));
    socket.on('message', text => {
      socket.close();
      done(String(text));
    });
    socket.send('who', Number(url.port), url.hostname);
  },
  'tcp:': (url, done) => {
    const socket = net.connect({ host: url.hostname, port: Number(url.port) });
    socket.on('error', e => done(e.code));
    socket.on('connect', () => {
      socket.destroy();
      done('open');
    });
  },
};

function collect(response, done) {
  let text = '';
  response.on('data', chunk => {
    text += chunk;
  });
  response.on('end', () => done(text));
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://peer');
  const asked = key => url.searchParams.get(key) ?? '';
  if (url.pathname === '/name') return response.end(name);
  if (url.pathname === '/sub/page') return response.end('page');
  if (url.pathname === '/sick') {
    healthy = false;
    return response.end('sick');
  }
  if (url.pathname === '/dial') {
    const to = new URL(asked('to'));
    const out = [];
    for (let n = Number(asked('times') || 1); n > 0; n--) out.push(await within(done => asks[to.protocol](to, done, asked('from'))));
    return response.end(JSON.stringify(out));
  }
  if (url.pathname === '/dns') {
    const found = asked('type') === 'PTR' ? dns.reverse(asked('name')) : dns.resolve(asked('name'), asked('type'));
    return response.end(JSON.stringify(await found.catch(e => e.code)));
  }
  if (url.pathname === '/dig') {
    const { dig } = require('./dig.cjs');
    const found = dig(asked('name'), asked('type') || 'A', asked('tcp') === '1');
    return response.end(JSON.stringify(await found.catch(e => e.code)));
  }
  if (url.pathname === '/hosts') {
    const found = dns.lookup(asked('name'), { family: 4 });
    return response.end(JSON.stringify(await found.then(f => f.address).catch(e => e.code)));
  }
  // Which method came here.
  if (url.searchParams.has('method') || url.pathname.startsWith('/some/path/with/')) {
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify({ Method: request.method, Body: 'foo' }));
  }
  response.statusCode = 404;
  response.end('not found');
}

function sayOverUdp(port) {
  const udp = dgram.createSocket('udp4', (_, from) => udp.send(`udp ${name}`, from.port, from.address));
  udp.on('error', () => {});
  udp.bind(port);
}

for (const argument of process.argv.slice(2)) {
  const [, kind, port, text] = /^(?:(udp|tls):)?(\d+)(?:=(.*))?$/.exec(argument);
  const say = (_, response) => response.setHeader('content-type', 'text/html').end(text);
  const pem = kind === 'tls' ? fs.readFileSync('/peer/tls.pem') : undefined;
  if (kind === 'udp') sayOverUdp(Number(port));
  else if (pem) https.createServer({ key: pem, cert: pem }, say).listen(Number(port));
  else http.createServer(text === undefined ? answer : say).listen(Number(port));
}
sayOverUdp(8081);
http2
  .createServer()
  .on('error', () => {})
  .on('stream', stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, healthy ? 1 : 2]));
  })
  .listen(5000);
process.on('SIGTERM', () => process.exit(0));
