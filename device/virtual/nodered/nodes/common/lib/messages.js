// What travels on MQTT between the nodes and the camera's inference service: one topic a node and
// direction, JSON objects with a type, a name and data; replies carry a code as well, 0 for success.
"use strict";

const REQUEST = 3;

/** The topic on which the service hears of a node; the empty id stands for all nodes. */
function requestTopic(client, id) {
    return `sscma/v0/${client}/node/in/${id}`;
}

/** The topics on which the service answers and reports, of every node. */
function reportTopics(client) {
    return `sscma/v0/${client}/node/out/+`;
}

/** The node that a report is about. */
function reporter(topic) {
    return topic.slice(topic.lastIndexOf("/") + 1);
}

function request(name, data) {
    return JSON.stringify({ type: REQUEST, name, data });
}

module.exports = { reporter, reportTopics, request, requestTopic };
