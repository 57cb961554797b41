// The gimbal's CAN bus with its two motors on it (protocol: utils/motor_utils.js of
// node-red-contrib-seeed-recamera): commands of eight bytes, the first of which says what they are.
"use strict";

const { EventEmitter } = require("node:events");
const { angle, turnTo } = require("./gimbal");

const AXES = { 0x141: "yaw", 0x142: "pitch" };
const IDS = { yaw: 0x141, pitch: 0x142 };
const TURN_TO = 0xa4;
const TURN_TO_OLDER = 0xa6;
const TURN_BY = 0xa8;
const WHERE = 0x94;
const LENGTH = 8;
const TEMPERATURE = 30; // stands in the second byte of a motor's answers; commands have 0 or 1 there

const bus = new EventEmitter();
bus.setMaxListeners(0);

/** The command to turn a motor, to an angle or by one, in degrees. */
function command(axis, absolute, degrees, speed) {
    const data = Buffer.alloc(LENGTH);
    data[0] = absolute ? TURN_TO : TURN_BY;
    data.writeUInt16LE(speed, 2);
    data.writeInt32LE(Math.round(degrees * 100), 4);
    return { id: IDS[axis], data };
}

/** What a frame says of a motor: its id and degrees; null for what says nothing of them. */
function angleIn({ id, data }) {
    if (!AXES[id]) {
        throw new Error(`Unknown motor ID: 0x${Number(id).toString(16).toUpperCase()}`);
    }
    const bytes = Buffer.from(data);
    const kind = bytes[0];
    if (kind === WHERE) {
        const answered = bytes.length === LENGTH && bytes.subarray(1).some(Boolean);
        return answered ? { motorId: id, angle: bytes.readUInt16LE(4) / 100 } : null;
    }
    const isCommand = [TURN_TO, TURN_TO_OLDER, TURN_BY].includes(kind) && bytes[1] <= 1;
    return isCommand ? { motorId: id, angle: bytes.readInt32LE(4) / 100 } : null;
}

/** Do what a command says; the motor's answer, or null where no motor is meant or knows it. */
function obey({ id, data }) {
    const [axis, kind] = [AXES[id], data[0]];
    if (!axis || ![TURN_TO, TURN_TO_OLDER, TURN_BY, WHERE].includes(kind)) {
        return null;
    }
    if (kind !== WHERE) {
        turnTo(axis, data.readInt32LE(4) / 100 + (kind === TURN_BY ? angle(axis) : 0));
    }
    const answer = Buffer.alloc(LENGTH);
    answer[0] = kind;
    answer[1] = TEMPERATURE;
    answer.writeUInt16LE(Math.round(angle(axis) * 100), 4);
    return { id, data: answer };
}

/** Put a frame on the bus, for whoever listens; the answer to it, which is there as well. */
function send(frame) {
    bus.emit("frame", frame);
    const answer = obey(frame);
    if (answer) {
        bus.emit("frame", answer);
    }
    return answer;
}

/** A frame of a message's payload: `{id, data}`, or text such as "141#94.00.00.00.00.00.00.00". */
function frameOf(payload) {
    const [id, data] =
        typeof payload === "string"
            ? payload.split("#").map((part, place) => (place ? part.split(".") : part))
            : [payload?.id, payload?.data];
    const number = (value) => (typeof value === "string" ? parseInt(value, 16) : value);
    const bytes = Array.from(data ?? [], number);
    if (!Number.isInteger(number(id)) || bytes.length !== LENGTH) {
        throw new Error("Payload must be {id, data} or ID#DATA, with 8 bytes of data");
    }
    if (!bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) {
        throw new Error("Data must be bytes");
    }
    return { id: number(id), data: Buffer.from(bytes) };
}

module.exports = { angleIn, bus, command, frameOf, send };
