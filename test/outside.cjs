// The world outside, as a test makes it: HTTP that says who asks, and a name server that knows one name.
// Arguments: address of the site, address of the name server ('' for none), the name.
const dgram = require('node:dgram');
const http = require('node:http');
const net = require('node:net');

const [site, resolver, name] = process.argv.slice(2);

/** The reply to a question: the site's address for its name, NXDOMAIN otherwise. */
function reply(query) {
  const labels = [];
  let at = 12;
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  const question = query.subarray(12, at + 5);
  const [known, isA] = [labels.join('.').toLowerCase() === name, query.readUInt16BE(at + 1) === 1];
  const answers = known && isA ? 1 : 0;
  const header = Buffer.from([query[0], query[1], 0x81, known ? 0x80 : 0x83, 0, 1, 0, answers, 0, 0, 0, 0]);
  const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, ...site.split('.').map(Number)];
  return Buffer.concat([header, question, Buffer.from(answers ? answer : [])]);
}

const listening = [
  new Promise(done => {
    http.createServer((request, response) => response.end(`you are ${request.socket.remoteAddress}`)).listen(80, site, done);
  }),
];
if (resolver)
  listening.push(
    new Promise(done => {
      const udp = dgram.createSocket('udp4', (query, from) => udp.send(reply(query), from.port, from.address));
      udp.bind(53, resolver, done);
    }),
    new Promise(done => {
      net
        .createServer(socket =>
          socket.on('data', data => {
            const text = reply(data.subarray(2));
            socket.end(Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), text]));
          }),
        )
        .listen(53, resolver, done);
    }),
  );
Promise.all(listening).then(() => process.stdout.write('listening\n'));
