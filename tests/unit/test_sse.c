/* Lines of the log as server-sent events, however they come in parts. */
#include "check.h"

#include "web/sse.h"

static const char log_text[] = "{\"type\":\"a\"}\n{\"type\":\r\"b\"\r}\n{}\n{\"half";
static const char want[] = "data: {\"type\":\"a\"}\nid: 113\n\n"
			   "data: {\"type\": \"b\" }\nid: 128\n\n"
			   "data: {}\nid: 131\n\n"
			   "data: {\"half";

int main(void)
{
	const size_t len = sizeof(log_text) - 1;

	for (size_t one = 0; one <= len; one++) {
		for (size_t two = one; two <= len; two++) {
			struct sse s = {.off = 100};
			auto_buf struct buf out = {0};

			sse_add(&s, log_text, one, &out);
			sse_add(&s, log_text + one, two - one, &out);
			sse_add(&s, log_text + two, len - two, &out);
			CHECK_INT(buf_error(&out), 0);
			CHECK_MEM(out.data, out.len, want, sizeof(want) - 1);
			CHECK_INT(s.off, 100 + len);
			CHECK(s.is_inside);
		}
	}
	return 0;
}
