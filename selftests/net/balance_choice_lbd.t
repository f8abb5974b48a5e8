#!/bin/sh
# lbd takes the examination of balance_choice_haproxy.t: the same server for the same client as haproxy.
exec "$O/selftests/net/balance_choice" "$LBD"
