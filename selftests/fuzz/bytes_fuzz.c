// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes of strangers under inspection: TLS hellos, MQTT packets, protocol buffers, JSON, tokens, Forwarded headers, RDP
 * cookies. Every reader sees the same bytes; what is final must not ask for more.
 */
#include <stdlib.h>

#include "config/reader.h"
#include "model/proxy.h"
#include "policy/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const texts[] = {
	"req.ssl_hello_type",
	"req.ssl_ver",
	"req.ssl_sni",
	"req.ssl_alpn",
	"req.ssl_st_ext",
	"req.ssl_ec_ext",
	"req.ssl_cipherlist",
	"req.ssl_sigalgs",
	"req.ssl_supported_groups",
	"req.ssl_keyshare_groups",
	"res.ssl_hello_type",
	"req.rdp_cookie",
	"req.rdp_cookie_cnt",
	"req.payload_lv(0,2)",
	"req.payload_lv(3,1,-2)",
	"req.payload(0,0),mqtt_is_valid",
	"req.payload(0,0),mqtt_field_value(connect,username)",
	"req.payload(0,0),mqtt_field_value(connect,24)",
	"req.payload(0,0),mqtt_field_value(connack,31)",
	"req.payload(0,0),protobuf(1)",
	"req.payload(0,0),protobuf(1.2.3,sint64)",
	"req.payload(0,0),protobuf(2,double)",
	"req.payload(0,0),ungrpc(1.1,fixed32)",
	"req.payload(0,0),json_query($.a)",
	"req.payload(0,0),json_query($.a[1].b,int)",
	"req.payload(0,0),json_query($[0])",
	"req.payload(0,0),json",
	"req.payload(0,0),json(utf8)",
	"req.payload(0,0),json(utf8ps)",
	"req.payload(0,0),jwt_header_query($.alg)",
	"req.payload(0,0),jwt_payload_query",
	"req.payload(0,0),jwt_verify(HS256,k)",
	"req.payload(0,0),language(de;en-us,fr)",
	"req.payload(0,0),param(a)",
	"req.payload(0,0),reverse_dom",
	"req.payload(0,0),rfc7239_is_valid",
	"req.payload(0,0),rfc7239_field(for),rfc7239_n2np",
	"req.payload(0,0),rfc7239_n2nn",
	"req.payload(0,0),has_ctl",
};

static struct expr *exprs[ARRAY_SIZE(texts)];

static void parse_all(void)
{
	static struct diag d;
	struct config *cfg;
	struct cfg_line *l;

	config_language_init();
	policy_init();
	diag_init(&d);
	cfg = config_new(&d);
	l = ARENA_NEW(&cfg->arena, struct cfg_line);
	*l = (struct cfg_line){ .cfg = cfg,
				.diag = &d,
				.arena = &cfg->arena,
				.section = CFG_LISTEN,
				.px = proxy_new(cfg, "t", PX_FRONTEND | PX_BACKEND, PLACE_NONE) };
	l->at = (struct place){ "fuzz", 1, 1, "" };
	l->words = arena_zalloc(&cfg->arena, sizeof(*l->words) * 2);
	l->words[0].z = l->words[1].z = "";
	l->nwords = 1;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		exprs[i] = expr_parse(l, 0, texts[i], SMP_WHERE_LOG);
		if (!exprs[i])
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena scratch;
	struct smp_ctx ctx = { .scratch = &scratch };
	struct sample s;

	if (!exprs[0])
		parse_all();
	if (n > 16384)
		return 0;
	arena_init(&scratch, 0);
	ctx.data = slice_make((const char *)data, n);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ctx.final = false;
		expr_eval(exprs[i], &ctx, SMP_ANY, &s);
		ctx.final = true;
		if (!expr_eval(exprs[i], &ctx, SMP_STR, &s) && (s.flags & SMP_F_MAY_CHANGE))
			abort();
		arena_reset(&scratch);
	}
	arena_fini(&scratch);
	return 0;
}
