/* A rehearsal server for the examples. Writes its root certificate into the
 * file that is named, says its URL on a line, and stops with its input. */

#include "server.h"

int main(int argc, char **argv)
{
    everpost_rehearsal *server = server_begin();
    everpost_str ca = everpost_rehearsal_ca_pem(server);
    FILE *trust;
    CHECK_EQ(argc, 2);
    trust = fopen(argv[1], "wb");
    CHECK(trust != NULL);
    CHECK_EQ(fwrite(ca.data, 1, ca.len, trust), ca.len);
    CHECK_EQ(fclose(trust), 0);
    (void)printf("smtps://" USER ":" PASSWORD "@localhost:%u?trust=%s\n",
                 (unsigned)everpost_rehearsal_implicit_port(server), argv[1]);
    CHECK_EQ(fflush(stdout), 0);
    while (getchar() != EOF)
        continue;
    everpost_rehearsal_free(server);
    library_end();
    return 0;
}
