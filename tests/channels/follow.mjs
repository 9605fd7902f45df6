// Drives the stock Phoenix client through a script of steps, one JSON array a line on standard input, and writes what it
// sees, one JSON array a line on standard output: ["open"], ["close", code], ["joined", topic],
// ["refused", topic, reason], ["left", topic], ["reply", topic, status], ["event", topic, event, payload].
//
// Steps: ["connect", url, options], ["join", topic], ["push", topic, event], ["leave", topic]. The end of the input ends it.

import { createInterface } from "node:readline";
import { Socket } from "phoenix";

const tell = (...seen) => process.stdout.write(JSON.stringify(seen) + "\n");
const EVENTS = ["job:progress", "job:completed", "job:failed"];
const channels = new Map();
let socket;

const steps = {
  connect(url, options) {
    socket = new Socket(url, { ...options, reconnectAfterMs: () => 200, rejoinAfterMs: () => 200 });
    socket.onOpen(() => tell("open"));
    socket.onClose((event) => tell("close", event.code));
    socket.connect();
  },
  join(topic) {
    const channel = socket.channel(topic, {});
    for (const event of EVENTS) {
      channel.on(event, (payload) => tell("event", topic, event, payload));
    }
    channels.set(topic, channel);
    channel
      .join()
      .receive("ok", () => tell("joined", topic))
      .receive("error", ({ reason }) => tell("refused", topic, reason));
  },
  push(topic, event) {
    const push = channels.get(topic).push(event, {});
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, () => tell("reply", topic, status));
    }
  },
  leave(topic) {
    channels.get(topic).leave().receive("ok", () => tell("left", topic));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [step, ...rest] = JSON.parse(line);
  steps[step](...rest);
}
process.exit(0);
