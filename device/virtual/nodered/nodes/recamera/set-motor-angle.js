// The set-motor-angle node. Its `output` says which motor turns, and whether to an angle (0 yaw,
// 2 pitch, 4 both) or by one (1, 3, 5); `unit` 0 is degrees, otherwise hundredths of them.
"use strict";

const { angle, setSpeed, turnTo } = require("./lib/gimbal");
const { inputOf, numberOf, register } = require("./lib/motor-node");

function both(value) {
    const { yaw_angle: yaw, pitch_angle: pitch } = Object(value);
    if (yaw === undefined || pitch === undefined) {
        throw new Error("Missing required fields: yaw_angle and/or pitch_angle");
    }
    return { yaw: numberOf(yaw), pitch: numberOf(pitch) };
}

module.exports = function (RED) {
    register(RED, "set-motor-angle", (node, definition, message) => {
        const value = inputOf(RED, node, definition, message);
        const output = Number(definition.output);
        const absolute = output % 2 === 0;
        const scale = (definition.unit || "0") === "0" ? 1 : 0.01;
        const wanted =
            output >= 4 ? both(value) : { [output < 2 ? "yaw" : "pitch"]: numberOf(value) };
        for (const axis of output >= 4 ? ["yaw", "pitch"] : []) {
            const speed = Number(value[`${axis}_speed`]);
            if (!Number.isNaN(speed)) {
                setSpeed(node.context().global, axis, speed);
            }
        }
        const texts = Object.entries(wanted).map(([axis, amount]) => {
            turnTo(axis, amount * scale + (absolute ? 0 : angle(axis)));
            return `${axis} ${angle(axis)}°`;
        });
        return texts.join(", ");
    });
};
