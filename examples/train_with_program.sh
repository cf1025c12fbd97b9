#!/bin/sh
# Nearest neighbors: sh train_with_program.sh INPUTS TARGETS QUERIES K prints the mean targets of the K nearest rows per query.
awk -v k="$4" '
FILENAME == ARGV[1] { for (j = 1; j <= NF; j++) x[FNR, j] = $j; n = FNR; next }
FILENAME == ARGV[2] { for (j = 1; j <= NF; j++) y[FNR, j] = $j; m = NF; next }
{
  for (i = 1; i <= n; i++) { d[i] = 0; for (j = 1; j <= NF; j++) d[i] += ($j - x[i, j]) ^ 2; }
  for (t = 1; t <= m; t++) mean[t] = 0
  for (r = 1; r <= k; r++) {
    best = 0
    for (i = 1; i <= n; i++) if (d[i] >= 0 && (best == 0 || d[i] < d[best])) best = i
    d[best] = -1
    for (t = 1; t <= m; t++) mean[t] += y[best, t] / k
  }
  for (t = 1; t <= m; t++) printf "%.9g ", mean[t]
  print ""
}' "$1" "$2" "$3"
