#!/bin/sh
# Print the size of the TPU's memory (ION) from its driver's files, which only root may read.
#
# Arguments: a word to print first; the folder that is the system's root, without a slash.
# Prints: "WORD " and the driver's total_mem (a number), else the head of its summary.
heap=$2/sys/kernel/debug/ion/cvi_carveout_heap_dump
printf '%s ' "$1"
cat "$heap/total_mem" 2>/dev/null || head -n 3 "$heap/summary" 2>/dev/null
