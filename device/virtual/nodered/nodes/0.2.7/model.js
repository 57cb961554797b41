// The model node: inference on the camera's pictures.
"use strict";

const { register } = require("../common/lib/model-node");

module.exports = (RED) => register(RED);
