# What is to do: {"items": {ID: {"text", "done", "at"}}}.
#
#     todo_added     {"id", "text"}
#     todo_ticked    {"id", "done"}
#     todo_renamed   {"id", "text"}
#     todo_removed   {"id"}
#     todo_restored  {"items": {ID: an item, or null}, "undoes"}: puts things back as they were; "undoes" is for the page
#
# A log is for all: events that others call by these names, and that are made otherwise, are none of ours.
def has_text: ($event.data.text | type) == "string";

$event.data as $d
| . // {"items": {}}
| if ($d | type) != "object" then .
  elif $event.type == "todo_restored" then
    reduce ($d.items // {} | to_entries[]) as $old (.;
      if $old.value == null then del(.items[$old.key]) else .items[$old.key] = $old.value end)
  elif ($d.id | type) != "string" then .
  elif $event.type == "todo_added" then if has_text then .items[$d.id] = {text: $d.text, done: false, at: $event.ts} else . end
  elif .items[$d.id] == null then .
  elif $event.type == "todo_ticked"  then .items[$d.id].done = ($d.done == true)
  elif $event.type == "todo_renamed" then if has_text then .items[$d.id].text = $d.text else . end
  elif $event.type == "todo_removed" then del(.items[$d.id])
  else . end
