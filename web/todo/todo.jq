# What is to do: {"items": {ID: {"text", "done", "at"}}}.
#
#     todo_added     {"id", "text"}
#     todo_ticked    {"id", "done"}
#     todo_renamed   {"id", "text"}
#     todo_removed   {"id"}
#     todo_restored  {"items": {ID: an item, or null}, "undoes"}: puts things back as they were; "undoes" is for the page
#
# A log is for all: events that others call by these names, and that are made otherwise, are none of ours.
def is_item: type == "object" and (.text | type) == "string" and (.done | type) == "boolean" and (.at | type) == "number";

$event.data as $d
| ($d | type == "object") as $has_data
| ($has_data and ($d.id | type) == "string") as $has_id
| ($has_id and ($d.text | type) == "string") as $has_text
| . // {"items": {}}
| if $event.type == "todo_restored" then
    if $has_data and ($d.items | type) == "object" and all($d.items[]; . == null or is_item) then
      reduce ($d.items | to_entries[]) as $old (.;
        if $old.value == null then del(.items[$old.key]) else .items[$old.key] = ($old.value | {text, done, at}) end)
    else . end
  elif $event.type == "todo_added" then if $has_text then .items[$d.id] = {text: $d.text, done: false, at: $event.ts} else . end
  elif ($has_id | not) or .items[$d.id] == null then .
  elif $event.type == "todo_ticked"  then .items[$d.id].done = ($d.done == true)
  elif $event.type == "todo_renamed" then if $has_text then .items[$d.id].text = $d.text else . end
  elif $event.type == "todo_removed" then del(.items[$d.id])
  else . end
