"""Twenty views in jq as people write them, all about events.mixed(). After its first million events none of their states grows."""

TWENTY = {
    "types": ".[$event.type] += 1",
    "todos": """
        if   $event.type == "todo_added" then .next = ((.next // 0) + 1) % 1000 | .items[.next | tostring] = $event.data.text
        elif $event.type == "todo_completed" then .done[$event.data.id % 1000 | tostring] = true
        elif $event.type == "todo_deleted" then del(.items[$event.data.id % 1000 | tostring])
        else . end""",
    "ledger": ".balances[$event.actor] += ($event.data.ms // 0) | .entries += 1",
    "sessions": """
        if $event.type == "user_signed_in" then .[$event.actor] = {since: $event.ts, n: 0}
        elif .[$event.actor] then .[$event.actor] |= (.n += 1 | .last = $event.ts)
        else . end""",
    "top-ten": """
        if $event.data.ms == null then . else
            ((. // []) + [{path: $event.data.path, ms: $event.data.ms}]) | sort_by(-.ms) | .[:10]
        end""",
    "hours": ".[$event.ts | todate | .[:13]] += 1",
    "last-seen": '.[$event.actor // "nobody"] = $event.ts',
    "inventory": """
        if   $event.type == "order_placed" then .[$event.data.user | tostring] += -1
        elif $event.type == "item_shipped" then .[$event.data.user | tostring] += 1
        else . end""",
    "tags": 'reduce ($event.type | split("_"))[] as $tag (.; .[$tag] += 1)',
    "orders": """
        ($event.data.user // "none" | tostring) as $order | .[$order] as $was |
        if   $event.type == "order_placed" and $was != "open" then .[$order] = "open"
        elif $event.type == "item_shipped" and $was == "open" then .[$order] = "shipped"
        else . end""",
    "graph": 'if $event.data.user then .[$event.actor][$event.data.user % 20 | tostring] = true else . end',
    "last-ten": ". + [$event.id] | .[-10:]",
    "visitors": ".[$event.ts | todate | .[:10]][$event.actor] = true",
    "means": ".[$event.type] |= (.n += 1 | .sum += ($event.data.ms // 0) | .mean = .sum / .n)",
    "extremes": """
        if $event.data.ms then .min = ([.min // 1, $event.data.ms] | min) | .max = ([.max, $event.data.ms] | max) else . end""",
    "placed": 'select($event.type == "order_placed") | .n += 1 | .last = $event.id',
    "histogram": 'if $event.data.ms then .[$event.data.ms * 10 | floor | tostring] += 1 else . end',
    "profiles": ".[$event.actor] += {type: $event.type, ts: $event.ts}",
    "articles": 'if ($event.data.path // "" | startswith("/articles/1")) then .[$event.data.path[10:12]] += 1 else . end',
    "bumps": 'def bump($key): .[$key] = (.[$key] // 0) + 1; bump($event.type) | bump($event.actor // "none")',
}
