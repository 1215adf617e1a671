// What a konnectivity server and its clients say to each other.
import { type Decoded, type Fields, type Input, Message } from '../../store/etcd-wire.ts';

export const proxyMethod = '/ProxyService/Proxy';

const fields = {
  type: [1, 'int'],
  dialRequest: [2, new Message({ protocol: [1, 'string'], address: [2, 'string'], random: [3, 'id'] })],
  dialResponse: [3, new Message({ error: [1, 'string'], connectId: [2, 'id'], random: [3, 'id'] })],
  data: [4, new Message({ connectId: [1, 'id'], error: [2, 'string'], data: [3, 'bytes'] })],
  closeRequest: [5, new Message({ connectId: [1, 'id'] })],
  closeResponse: [6, new Message({ error: [1, 'string'], connectId: [2, 'id'] })],
  closeDial: [7, new Message({ random: [1, 'id'] })],
} as const satisfies Fields;

export const packet = new Message(fields);
export type Packet = Input<typeof fields>;
export type ReceivedPacket = Decoded<typeof fields>;

/** PacketType. */
export const packetType = {
  dialRequest: 0,
  dialResponse: 1,
  closeRequest: 2,
  closeResponse: 3,
  data: 4,
  closeDial: 5,
} as const;
