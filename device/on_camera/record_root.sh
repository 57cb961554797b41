#!/bin/sh
# Print facts that only root may read: the TPU's clock and memory, as the kernel reports them.
#
# Arguments: a word that begins each line; the folder that is the system's root, without a slash.
# Prints: "WORD NAME=VALUE" lines, the last one "WORD end=yes"; "absent" where a file is missing.
LC_ALL=C; export LC_ALL
nonce=$1 debug=$2/sys/kernel/debug
from_file() {
    value=absent
    if [ -r "$2" ]; then value=$(head -c 400 "$2" | tr '\n\t' '  '); fi
    printf '%s %s=%s\n' "$nonce" "$1" "${value:-absent}"
}
from_file ion_total "$debug/ion/cvi_carveout_heap_dump/total_mem"
from_file ion_summary "$debug/ion/cvi_carveout_heap_dump/summary"
from_file tpu_clock "$debug/clk/clk_tpu/clk_rate"
from_file cpu_clock "$debug/clk/clk_c906_0/clk_rate"
printf '%s end=yes\n' "$nonce"
