/* Shared by legacy_server and legacy_client. */

#ifndef LEGACY_H
#define LEGACY_H

#define ORDERS "legacy orders"
#define PLACES 1000

struct orders {
    int count;
    int numbers[PLACES];
    long sum; /* the client's answer */
};

#endif
