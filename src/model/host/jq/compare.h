/* Order and equality of values, as jq has them. All arguments are borrowed. */
#pragma once

#include "model/host/jq/value.h"

/* What is nested deeper can't be compared. */
#define VAL_TOO_DEEP INT32_MIN

/* 1, 0, or VAL_TOO_DEEP. */
int val_equal(struct val a, struct val b);
/* Below, at or above 0, or VAL_TOO_DEEP. NaN stands where null does. */
int val_compare(struct val a, struct val b);
bool val_contains(struct val a, struct val b);

/* The keys of an object, sorted. */
struct val val_sorted_keys(struct val object);
/* The places of an array's elements in the order of `keys`, an array of the same length; equal ones stay as
 * they are. False where they can't be compared. */
bool val_sort_order(struct val keys, uint32_t *order);
