// The gimbal's two motors: where they stand, and how fast they turn. A virtual one is there at once.
"use strict";

// Degrees that the motors can reach (README of node-red-contrib-seeed-recamera).
const LIMITS = { yaw: 360, pitch: 180 };
const FASTEST = 65535;
const USUAL_SPEED = 90; // degrees a second
// Flows may read the speeds from the global context, as two bytes in hexadecimal, the lower first.
const SPEED_KEYS = { yaw: "can$$currentYawSpeed", pitch: "can$$currentPitchSpeed" };

const degrees = { yaw: LIMITS.yaw / 2, pitch: LIMITS.pitch / 2 };

function within(value, limit) {
    return Math.min(limit, Math.max(0, value));
}

/** The degrees at which a motor stands, to two places. */
function angle(axis) {
    return degrees[axis];
}

/** Turn a motor to an angle in degrees, or as far as it goes. */
function turnTo(axis, wanted) {
    degrees[axis] = Math.round(within(wanted, LIMITS[axis]) * 100) / 100;
}

function speed(context, axis) {
    const [low, high] = String(context.get(SPEED_KEYS[axis]) ?? "").split(".");
    const known = parseInt(`${high}${low}`, 16);
    return Number.isNaN(known) ? USUAL_SPEED : known;
}

function setSpeed(context, axis, wanted) {
    const digits = within(Math.floor(Math.abs(wanted)), FASTEST).toString(16).toUpperCase();
    const hex = digits.padStart(4, "0");
    context.set(SPEED_KEYS[axis], `${hex.slice(2)}.${hex.slice(0, 2)}`);
}

module.exports = { angle, setSpeed, speed, turnTo };
