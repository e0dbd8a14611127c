#!/bin/bash
# cron.sh DIR: what people put into cron: one pass over the inbox, under a lock. Nothing is flushed.
cd "$1" || exit 1
exec 9>state/lock
flock -n 9 || exit 0
shopt -s nullglob
for file in inbox/*.csv; do
  name=${file#inbox/}
  read -r rows sum < <(awk -F, 'NR > 1 { rows++; sum += $3 } END { print rows + 0, sum + 0 }' "$file")
  printf '{"file":"%s","rows":%d,"sum":%d}\n' "$name" "$rows" "$sum" >"results/.$name.tmp"
  mv "results/.$name.tmp" "results/$name.json"
  mv "$file" "archive/$name"
done
