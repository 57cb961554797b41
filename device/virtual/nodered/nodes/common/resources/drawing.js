// Draws the data of one event: the picture at its own size, and over it what the model found.
// Coordinates are pixels of the picture; boxes are [centre x, centre y, width, height, score, class].
"use strict";

(function () {
    const LABEL_HEIGHT = 16;
    // Pairs of the 17 COCO keypoints that are joined by a line.
    const SKELETON = [
        [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 6], [5, 7], [7, 9],
        [6, 8], [8, 10], [5, 11], [6, 12], [11, 12], [11, 13], [13, 15], [12, 14], [14, 16],
    ];

    // Looks go into the style: as attributes they would lose to the editor's own style sheet.
    function element(type, place, look = {}, text = "") {
        const made = document.createElementNS("http://www.w3.org/2000/svg", type);
        Object.entries(place).forEach(([name, value]) => made.setAttribute(name, value));
        Object.assign(made.style, { stroke: "none" }, look);
        made.textContent = text;
        return made;
    }

    // Steps of the golden angle: neighbouring class numbers get colours far apart.
    function colour(index, opacity = 1) {
        return `hsl(${(index * 137.5) % 360} 85% 40% / ${opacity})`;
    }

    function outlined(index) {
        return { fill: "none", stroke: colour(index), strokeWidth: "2px" };
    }

    function letters(size, fill = "white") {
        return { fill, font: `${size}px sans-serif` };
    }

    function nameOf(data, index, target) {
        return data.labels?.[index] ?? `NA-${target}`;
    }

    function* labelledBox([x, y, width, height, score, target], index, data) {
        const [left, top] = [x - width / 2, y - height / 2];
        const track = data.tracks ? `#${data.tracks[index]}: ` : "";
        const label = `${track}${nameOf(data, index, target)}(${score})`;
        yield element("rect", { x: left, y: top, width, height }, outlined(target));
        const behind = {
            x: left - 1,
            y: top - LABEL_HEIGHT,
            width: Math.max(width + 2, label.length * 8 + 8),
            height: LABEL_HEIGHT,
        };
        yield element("rect", behind, { fill: colour(target) });
        yield element("text", { x: left + 4, y: top - 4 }, letters(13), label);
    }

    function* boxes(data) {
        for (const [index, box] of data.boxes.entries()) {
            yield* labelledBox(box, index, data);
        }
    }

    function* segments(data) {
        for (const [index, [box, outline]] of data.segments.entries()) {
            yield* labelledBox(box, index, data);
            const look = { ...outlined(box[5]), fill: colour(box[5], 0.3) };
            yield element("polygon", { points: outline.join(" ") }, look);
        }
    }

    function* keypoints(data) {
        for (const [index, [box, points]] of data.keypoints.entries()) {
            yield* labelledBox(box, index, data);
            const [x, y, width, height] = box;
            const inside = (point) =>
                Math.abs(point[0] - x) < width / 2 && Math.abs(point[1] - y) < height / 2;
            for (const [from, to] of points.length === 17 ? SKELETON : []) {
                const [a, b] = [points[from], points[to]];
                if (inside(a) && inside(b)) {
                    yield element("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, outlined(to));
                }
            }
            for (const [number, point] of points.entries()) {
                if (inside(point)) {
                    const place = { cx: point[0], cy: point[1], r: 3 };
                    yield element("circle", place, { fill: colour(number) });
                }
            }
        }
    }

    function* classes(data) {
        const [width, height] = data.resolution;
        const column = width / data.classes.length;
        for (const [index, [score, target]] of data.classes.entries()) {
            const x = column * index;
            const bar = { x, y: 0, width: column, height: height / 16 };
            yield element("rect", bar, { fill: colour(target, 0.6) });
            const label = `${nameOf(data, index, target)}: ${score}`;
            yield element("text", { x: x + 4, y: height / 22 }, letters(height / 24), label);
        }
    }

    // Ends of the lines that are counted across, in percent of the picture.
    function* lines(data) {
        const [width, height] = data.resolution.map((pixels) => pixels / 100);
        for (const [index, [x1, y1, x2, y2]] of data.lines.entries()) {
            const ends = { x1: x1 * width, y1: y1 * height, x2: x2 * width, y2: y2 * height };
            yield element("line", ends, outlined(index));
        }
    }

    function* background(data) {
        if (data.image) {
            yield element("image", { href: `data:image/jpeg;base64,${data.image}` });
        } else if (data.resolution) {
            const [width, height] = data.resolution;
            yield element("rect", { width, height }, { fill: "black" });
            const hint = "No picture: switch on the model node's pictures (debug).";
            yield element("text", { x: 10, y: 24 }, letters(16, "gold"), hint);
        }
    }

    const LAYERS = { lines, boxes, classes, segments, keypoints };

    /** A group with the picture and what was found in it. */
    function draw(data) {
        const group = element("g", {});
        group.append(...background(data));
        for (const [field, layer] of Object.entries(LAYERS)) {
            if (Array.isArray(data[field])) {
                group.append(...layer(data));
            }
        }
        return group;
    }

    window.virtualRecamera ??= {};
    Object.assign(window.virtualRecamera, { draw });
})();
